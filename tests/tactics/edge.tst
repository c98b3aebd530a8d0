# Made by tactics/build.py from diagrams/edge.txt.

# under-1: connect along the edge
loadsgf sgf/edge-under-1-o.sgf
10 reg_genmove white
#? [A5]

# under-2: connect along the edge
loadsgf sgf/edge-under-2-o.sgf
20 reg_genmove black
#? [G2]

# under-3: connect along the edge
loadsgf sgf/edge-under-3-o.sgf
30 reg_genmove black
#? [B5]

# under-4: connect along the edge
loadsgf sgf/edge-under-4-o.sgf
40 reg_genmove black
#? [K18]

# under-5: connect along the edge
loadsgf sgf/edge-under-5-o.sgf
50 reg_genmove black
#? [H5]

# barrier-1: keep them from connecting along the edge
loadsgf sgf/edge-barrier-1-x.sgf
60 reg_genmove white
#? [E2]

# barrier-2: keep them from connecting along the edge
loadsgf sgf/edge-barrier-2-x.sgf
70 reg_genmove black
#? [M7]

# barrier-3: keep them from connecting along the edge
loadsgf sgf/edge-barrier-3-x.sgf
80 reg_genmove black
#? [E9]

# barrier-4: keep them from connecting along the edge
loadsgf sgf/edge-barrier-4-x.sgf
90 reg_genmove black
#? [B11]

# barrier-5: keep them from connecting along the edge
loadsgf sgf/edge-barrier-5-x.sgf
100 reg_genmove black
#? [F2]
