# Made by tactics/build.py from diagrams/ladder.txt.

# zigzag-1: atari after atari
loadsgf sgf/ladder-zigzag-1-o.sgf
10 reg_genmove black
#? [F4]

# zigzag-2: atari after atari
loadsgf sgf/ladder-zigzag-2-o.sgf
20 reg_genmove white
#? [F13]

# zigzag-3: atari after atari
loadsgf sgf/ladder-zigzag-3-o.sgf
30 reg_genmove white
#? [B7]

# zigzag-4: atari after atari
loadsgf sgf/ladder-zigzag-4-x.sgf
40 reg_genmove black
#? [L10]

# zigzag-5: atari after atari
loadsgf sgf/ladder-zigzag-5-x.sgf
50 reg_genmove black
#? [E4]

# zigzag-6: atari after atari
loadsgf sgf/ladder-zigzag-6-x.sgf
60 reg_genmove white
#? [G7]
