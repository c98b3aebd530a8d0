# Made by tactics/build.py from diagrams/corner.txt.

# mined-1: life and death with stones inside
loadsgf sgf/corner-mined-1-o.sgf
10 reg_genmove black
#? [A8]

# mined-2: life and death with stones inside
loadsgf sgf/corner-mined-2-o.sgf
20 reg_genmove white
#? [B3]

# mined-3: life and death with stones inside
loadsgf sgf/corner-mined-3-o.sgf
30 reg_genmove white
#? [C2]

# mined-4: life and death with stones inside
loadsgf sgf/corner-mined-4-o.sgf
40 reg_genmove white
#? [R18]

# mined-5: life and death with stones inside
loadsgf sgf/corner-mined-5-o.sgf
50 reg_genmove white
#? [G7]

# mined-6: life and death with stones inside
loadsgf sgf/corner-mined-6-o.sgf
60 reg_genmove black
#? [K2]

# mined-7: life and death with stones inside
loadsgf sgf/corner-mined-7-o.sgf
70 reg_genmove black
#? [G5]

# mined-8: life and death with stones inside
loadsgf sgf/corner-mined-8-o.sgf
80 reg_genmove white
#? [B18]

# mined-9: life and death with stones inside
loadsgf sgf/corner-mined-9-o.sgf
90 reg_genmove white
#? [A9]

# mined-10: life and death with stones inside
loadsgf sgf/corner-mined-10-o.sgf
100 reg_genmove white
#? [B7]
