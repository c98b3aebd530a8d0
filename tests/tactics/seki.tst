# Made by tactics/build.py from diagrams/seki.txt.

# three-in-five: three stones inside and a space on either side of them
loadsgf sgf/seki-three-in-five-x.sgf
10 reg_genmove black
#? [!C1|G1|resign]

# three-in-five: three stones inside and a space on either side of them
loadsgf sgf/seki-three-in-five-o.sgf
20 reg_genmove white
#? [!A7|A3|resign]

# bent-in-rect: three bent stones in a room of six
loadsgf sgf/seki-bent-in-rect-x.sgf
30 reg_genmove white
#? [!N8|M7|resign]

# bent-in-rect: three bent stones in a room of six
loadsgf sgf/seki-bent-in-rect-o.sgf
40 reg_genmove black
#? [!H13|G12|resign]

# three-ones: chains inside that share their liberties
loadsgf sgf/seki-three-ones-x.sgf
50 reg_genmove black
#? [!T11|S10|resign]

# three-ones: chains inside that share their liberties
loadsgf sgf/seki-three-ones-o.sgf
60 reg_genmove white
#? [!K2|J1|resign]

# corner-room: a room in the corner
loadsgf sgf/seki-corner-room-x.sgf
70 reg_genmove black
#? [!M12|N11|resign]

# corner-room: a room in the corner
loadsgf sgf/seki-corner-room-o.sgf
80 reg_genmove white
#? [!L13|M12|resign]

# two-liberties: no eyes, two liberties in common
loadsgf sgf/seki-two-liberties-x.sgf
90 reg_genmove white
#? [!A11|B11|resign]

# two-liberties: no eyes, two liberties in common
loadsgf sgf/seki-two-liberties-o.sgf
100 reg_genmove black
#? [!J19|J18|resign]

# two-liberties-apart: no eyes, two liberties in common that are not neighbours
loadsgf sgf/seki-two-liberties-apart-x.sgf
110 reg_genmove black
#? [!B5|A4|resign]

# two-liberties-apart: no eyes, two liberties in common that are not neighbours
loadsgf sgf/seki-two-liberties-apart-o.sgf
120 reg_genmove white
#? [!E2|D1|resign]

# eye-each: an eye each and one liberty in common
loadsgf sgf/seki-eye-each-x.sgf
130 reg_genmove white
#? [!N8|M7|resign]

# eye-each: an eye each and one liberty in common
loadsgf sgf/seki-eye-each-o.sgf
140 reg_genmove black
#? [!H13|G12|resign]

# eye-and-two: an eye against an inner liberty
loadsgf sgf/seki-eye-and-two-x.sgf
150 reg_genmove black
#? [!D9|D8|resign]

# eye-and-two: an eye against an inner liberty
loadsgf sgf/seki-eye-and-two-o.sgf
160 reg_genmove white
#? [!H4|J4|resign]
