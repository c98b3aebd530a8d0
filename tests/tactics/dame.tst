# Made by tactics/build.py from diagrams/dame.txt.

# beside-straight-four: four in a row live without help
loadsgf sgf/dame-beside-straight-four-x.sgf
10 reg_genmove white
#? [A10|A6|A5]

# beside-straight-four: four in a row live without help
loadsgf sgf/dame-beside-straight-four-o.sgf
20 reg_genmove black
#? [K1]

# beside-zigzag-four: a bent four on the side lives without help
loadsgf sgf/dame-beside-zigzag-four-x.sgf
30 reg_genmove white
#? [D9|H9|D8]

# beside-zigzag-four: a bent four on the side lives without help
loadsgf sgf/dame-beside-zigzag-four-o.sgf
40 reg_genmove black
#? [A2]

# beside-square-four: four in a square are dead without help
loadsgf sgf/dame-beside-square-four-x.sgf
50 reg_genmove white
#? [M1]

# beside-square-four: four in a square are dead without help
loadsgf sgf/dame-beside-square-four-o.sgf
60 reg_genmove black
#? [A12|A9|B9|A8|B8]

# beside-seki: a seki is left alone
loadsgf sgf/dame-beside-seki-x.sgf
70 reg_genmove black
#? [N5]

# beside-seki: a seki is left alone
loadsgf sgf/dame-beside-seki-o.sgf
80 reg_genmove white
#? [E13]

# beside-two-eyes: two eyes are enough
loadsgf sgf/dame-beside-two-eyes-x.sgf
90 reg_genmove black
#? [A6]

# beside-two-eyes: two eyes are enough
loadsgf sgf/dame-beside-two-eyes-o.sgf
100 reg_genmove white
#? [F1]
