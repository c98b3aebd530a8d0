# Made by tactics/build.py from diagrams/connect.txt.

# connect-1: bring the stones home
loadsgf sgf/connect-connect-1-o.sgf
10 reg_genmove black
#? [E7]

# connect-2: bring the stones home
loadsgf sgf/connect-connect-2-o.sgf
20 reg_genmove white
#? [C7]

# connect-3: bring the stones home
loadsgf sgf/connect-connect-3-o.sgf
30 reg_genmove white
#? [D2]

# connect-4: bring the stones home
loadsgf sgf/connect-connect-4-o.sgf
40 reg_genmove white
#? [R10]

# connect-5: bring the stones home
loadsgf sgf/connect-connect-5-o.sgf
50 reg_genmove white
#? [E7]

# connect-6: bring the stones home
loadsgf sgf/connect-connect-6-o.sgf
60 reg_genmove black
#? [M8]

# connect-7: bring the stones home
loadsgf sgf/connect-connect-7-o.sgf
70 reg_genmove black
#? [G3]

# connect-8: bring the stones home
loadsgf sgf/connect-connect-8-o.sgf
80 reg_genmove white
#? [C10]
