# Made by tactics/build.py from diagrams/ko.txt.

# take-1: take the ko first
loadsgf sgf/ko-take-1-x.sgf
10 reg_genmove black
#? [J4]

# take-2: take the ko first
loadsgf sgf/ko-take-2-o.sgf
20 reg_genmove black
#? [G7]

# later-1: it leads to a ko
loadsgf sgf/ko-later-1-o.sgf
30 reg_genmove black
#? [E5]

# later-2: it leads to a ko
loadsgf sgf/ko-later-2-o.sgf
40 reg_genmove white
#? [B6]

# later-3: it leads to a ko
loadsgf sgf/ko-later-3-o.sgf
50 reg_genmove white
#? [C8]

# later-4: it leads to a ko
loadsgf sgf/ko-later-4-o.sgf
60 reg_genmove white
#? [R10]

# later-5: it leads to a ko
loadsgf sgf/ko-later-5-x.sgf
70 reg_genmove black
#? [H1]

# later-6: it leads to a ko
loadsgf sgf/ko-later-6-o.sgf
80 reg_genmove black
#? [L7]
