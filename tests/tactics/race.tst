# Made by tactics/build.py from diagrams/race.txt.

# three-column-1: a race to capture
loadsgf sgf/race-three-column-1-o.sgf
10 reg_genmove white
#? [C5]

# three-column-2: a race to capture
loadsgf sgf/race-three-column-2-x.sgf
20 reg_genmove white
#? [B7]

# three-column-3: a race to capture
loadsgf sgf/race-three-column-3-x.sgf
30 reg_genmove white
#? [E8]

# three-column-4: a race to capture
loadsgf sgf/race-three-column-4-o.sgf
40 reg_genmove black
#? [K2]

# three-column-5: a race to capture
loadsgf sgf/race-three-column-5-o.sgf
50 reg_genmove black
#? [H5]

# three-column-6: a race to capture
loadsgf sgf/race-three-column-6-x.sgf
60 reg_genmove black
#? [M8]

# wide-1: a race to capture
loadsgf sgf/race-wide-1-o.sgf
70 reg_genmove black
#? [B5]

# wide-2: a race to capture
loadsgf sgf/race-wide-2-o.sgf
80 reg_genmove white
#? [G2]

# wide-3: a race to capture
loadsgf sgf/race-wide-3-o.sgf
90 reg_genmove white
#? [B6]

# wide-4: a race to capture
loadsgf sgf/race-wide-4-o.sgf
100 reg_genmove white
#? [K18]

# wide-5: a race to capture
loadsgf sgf/race-wide-5-o.sgf
110 reg_genmove white
#? [J3]

# wide-6: a race to capture
loadsgf sgf/race-wide-6-x.sgf
120 reg_genmove white
#? [L7]
