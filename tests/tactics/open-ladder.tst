# Made by tactics/build.py from diagrams/open-ladder.txt.

# capture-1: a ladder that works
loadsgf sgf/open-ladder-capture-1.sgf
10 reg_genmove black
#? [E12]

# capture-2: a ladder that works
loadsgf sgf/open-ladder-capture-2.sgf
20 reg_genmove black
#? [D6]

# escape-3: a ladder that does not work, and so the stones run
loadsgf sgf/open-ladder-escape-3.sgf
30 reg_genmove white
#? [E7]

# escape-4: a ladder that does not work, and so the stones run
loadsgf sgf/open-ladder-escape-4.sgf
40 reg_genmove black
#? [E10]

# capture-5: a ladder that works
loadsgf sgf/open-ladder-capture-5.sgf
50 reg_genmove white
#? [E6]

# capture-6: a ladder that works
loadsgf sgf/open-ladder-capture-6.sgf
60 reg_genmove white
#? [E11]

# capture-7: a ladder that works
loadsgf sgf/open-ladder-capture-7.sgf
70 reg_genmove white
#? [E9]

# escape-8: a ladder that does not work, and so the stones run
loadsgf sgf/open-ladder-escape-8.sgf
80 reg_genmove white
#? [D6]

# escape-far-9: a ladder that does not work, and so the stones run, because of stones far away
loadsgf sgf/open-ladder-escape-far-9.sgf
90 reg_genmove black
#? [G10]

# capture-far-10: a ladder that works, because of stones far away
loadsgf sgf/open-ladder-capture-far-10.sgf
100 reg_genmove white
#? [G8]

# capture-far-11: a ladder that works, because of stones far away
loadsgf sgf/open-ladder-capture-far-11.sgf
110 reg_genmove white
#? [H8]

# escape-12: a ladder that does not work, and so the stones run
loadsgf sgf/open-ladder-escape-12.sgf
120 reg_genmove black
#? [E12]

# escape-13: a ladder that does not work, and so the stones run
loadsgf sgf/open-ladder-escape-13.sgf
130 reg_genmove black
#? [F12]

# capture-14: a ladder that works
loadsgf sgf/open-ladder-capture-14.sgf
140 reg_genmove white
#? [H13]
