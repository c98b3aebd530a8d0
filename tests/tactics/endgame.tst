# Made by tactics/build.py from diagrams/endgame.txt.

# border-1: the biggest point
loadsgf sgf/endgame-border-1-x.sgf
10 reg_genmove white
#? [E8]

# border-2: the biggest point
loadsgf sgf/endgame-border-2-o.sgf
20 reg_genmove white
#? [H2]

# border-3: the biggest point
loadsgf sgf/endgame-border-3-o.sgf
30 reg_genmove white
#? [H4]

# border-4: the biggest point
loadsgf sgf/endgame-border-4-o.sgf
40 reg_genmove white
#? [J18]

# border-5: the biggest point
loadsgf sgf/endgame-border-5-x.sgf
50 reg_genmove black
#? [D8]

# border-6: the biggest point
loadsgf sgf/endgame-border-6-x.sgf
60 reg_genmove white
#? [A6]

# border-7: the biggest point
loadsgf sgf/endgame-border-7-x.sgf
70 reg_genmove white
#? [E2]

# border-8: the biggest point
loadsgf sgf/endgame-border-8-x.sgf
80 reg_genmove black
#? [S10]

# corner-1: the biggest point
loadsgf sgf/endgame-corner-1-o.sgf
90 reg_genmove black
#? [H7]

# corner-2: the biggest point
loadsgf sgf/endgame-corner-2-o.sgf
100 reg_genmove white
#? [L2]

# corner-3: the biggest point
loadsgf sgf/endgame-corner-3-o.sgf
110 reg_genmove white
#? [H3]

# corner-4: the biggest point
loadsgf sgf/endgame-corner-4-o.sgf
120 reg_genmove white
#? [C18]

# corner-5: the biggest point
loadsgf sgf/endgame-corner-5-x.sgf
130 reg_genmove black
#? [C8]

# corner-6: the biggest point
loadsgf sgf/endgame-corner-6-x.sgf
140 reg_genmove white
#? [B3]
