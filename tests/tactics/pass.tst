# Made by tactics/build.py from diagrams/pass.txt.

# halves: only a pass loses nothing
loadsgf sgf/pass-halves.sgf
10 reg_genmove black
#? [pass]

# rings: only a pass loses nothing
loadsgf sgf/pass-rings.sgf
20 reg_genmove white
#? [pass]
