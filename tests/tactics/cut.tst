# Made by tactics/build.py from diagrams/cut.txt.

# cut-1: cut the stones off
loadsgf sgf/cut-cut-1-x.sgf
10 reg_genmove black
#? [C5]

# cut-2: cut the stones off
loadsgf sgf/cut-cut-2-x.sgf
20 reg_genmove white
#? [F2]

# cut-3: cut the stones off
loadsgf sgf/cut-cut-3-x.sgf
30 reg_genmove white
#? [B4]

# cut-4: cut the stones off
loadsgf sgf/cut-cut-4-x.sgf
40 reg_genmove white
#? [L18]

# cut-5: cut the stones off
loadsgf sgf/cut-cut-5-x.sgf
50 reg_genmove white
#? [H5]

# cut-6: cut the stones off
loadsgf sgf/cut-cut-6-x.sgf
60 reg_genmove black
#? [H2]

# cut-7: cut the stones off
loadsgf sgf/cut-cut-7-x.sgf
70 reg_genmove black
#? [H5]

# cut-8: cut the stones off
loadsgf sgf/cut-cut-8-x.sgf
80 reg_genmove white
#? [K18]
