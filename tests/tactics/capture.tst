# Made by tactics/build.py from diagrams/capture.txt.

# double-1: two chains at once
loadsgf sgf/capture-double-1-o.sgf
10 reg_genmove white
#? [E5]

# double-2: two chains at once
loadsgf sgf/capture-double-2-x.sgf
20 reg_genmove white
#? [G8]

# double-3: two chains at once
loadsgf sgf/capture-double-3-x.sgf
30 reg_genmove white
#? [E5]

# double-4: two chains at once
loadsgf sgf/capture-double-4-o.sgf
40 reg_genmove black
#? [L10]

# key-1: the stones that matter
loadsgf sgf/capture-key-1-x.sgf
50 reg_genmove white
#? [E5]

# key-2: the stones that matter
loadsgf sgf/capture-key-2-x.sgf
60 reg_genmove black
#? [G7]

# key-3: the stones that matter
loadsgf sgf/capture-key-3-o.sgf
70 reg_genmove white
#? [D6]

# key-4: the stones that matter
loadsgf sgf/capture-key-4-o.sgf
80 reg_genmove white
#? [J10]

# key-5: the stones that matter
loadsgf sgf/capture-key-5-o.sgf
90 reg_genmove white
#? [H6]

# save-1: the stones that matter are in atari
loadsgf sgf/capture-save-1-x.sgf
100 reg_genmove white
#? [D5]

# save-2: the stones that matter are in atari
loadsgf sgf/capture-save-2-o.sgf
110 reg_genmove white
#? [G2]

# save-3: the stones that matter are in atari
loadsgf sgf/capture-save-3-x.sgf
120 reg_genmove black
#? [D2]

# save-4: the stones that matter are in atari
loadsgf sgf/capture-save-4-o.sgf
130 reg_genmove white
#? [K18]

# save-5: the stones that matter are in atari
loadsgf sgf/capture-save-5-o.sgf
140 reg_genmove white
#? [B5]
