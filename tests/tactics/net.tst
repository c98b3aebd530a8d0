# Made by tactics/build.py from diagrams/net.txt.

# loose-1: not an atari
loadsgf sgf/net-loose-1-x.sgf
10 reg_genmove white
#? [F5]

# loose-2: not an atari
loadsgf sgf/net-loose-2-x.sgf
20 reg_genmove black
#? [H7]

# loose-3: not an atari
loadsgf sgf/net-loose-3-x.sgf
30 reg_genmove black
#? [E4]

# loose-4: not an atari
loadsgf sgf/net-loose-4-x.sgf
40 reg_genmove black
#? [J9]

# loose-5: not an atari
loadsgf sgf/net-loose-5-x.sgf
50 reg_genmove black
#? [E5]

# loose-6: not an atari
loadsgf sgf/net-loose-6-x.sgf
60 reg_genmove white
#? [F7]

# loose-7: not an atari
loadsgf sgf/net-loose-7-x.sgf
70 reg_genmove white
#? [F4]

# loose-8: not an atari
loadsgf sgf/net-loose-8-x.sgf
80 reg_genmove black
#? [L10]
