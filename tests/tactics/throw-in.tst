# Made by tactics/build.py from diagrams/throw-in.txt.

# sacrifice-1: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-1-x.sgf
10 reg_genmove white
#? [F8]

# sacrifice-2: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-2-o.sgf
20 reg_genmove white
#? [F6]

# sacrifice-3: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-3-o.sgf
30 reg_genmove white
#? [F6]

# sacrifice-4: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-4-x.sgf
40 reg_genmove black
#? [A11]

# sacrifice-5: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-5-x.sgf
50 reg_genmove black
#? [D5]

# sacrifice-6: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-6-x.sgf
60 reg_genmove white
#? [B6]

# sacrifice-7: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-7-o.sgf
70 reg_genmove black
#? [A5]

# sacrifice-8: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-8-o.sgf
80 reg_genmove white
#? [K18]

# sacrifice-9: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-9-o.sgf
90 reg_genmove white
#? [J5]

# sacrifice-10: a stone is given to win more
loadsgf sgf/throw-in-sacrifice-10-o.sgf
100 reg_genmove white
#? [N7]
