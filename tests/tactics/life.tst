# Made by tactics/build.py from diagrams/life.txt.

# straight-three-corner: the middle of three
loadsgf sgf/life-straight-three-corner-x.sgf
10 reg_genmove white
#? [B9]

# straight-three-corner: the middle of three
loadsgf sgf/life-straight-three-corner-o.sgf
20 reg_genmove black
#? [A8]

# bent-three-corner: the corner of three bent around it
loadsgf sgf/life-bent-three-corner-x.sgf
30 reg_genmove black
#? [N13]

# bent-three-corner: the corner of three bent around it
loadsgf sgf/life-bent-three-corner-o.sgf
40 reg_genmove white
#? [N13]

# straight-three-side: the middle of three on the edge
loadsgf sgf/life-straight-three-side-x.sgf
50 reg_genmove white
#? [K1]

# straight-three-side: the middle of three on the edge
loadsgf sgf/life-straight-three-side-o.sgf
60 reg_genmove black
#? [T10]

# bent-three-side: the bend of three
loadsgf sgf/life-bent-three-side-x.sgf
70 reg_genmove white
#? [J5]

# bent-three-side: the bend of three
loadsgf sgf/life-bent-three-side-o.sgf
80 reg_genmove black
#? [E1]

# pyramid-four: the point next to the other three
loadsgf sgf/life-pyramid-four-x.sgf
90 reg_genmove white
#? [G1]

# pyramid-four: the point next to the other three
loadsgf sgf/life-pyramid-four-o.sgf
100 reg_genmove black
#? [A7]

# bulky-five: the joint of a five
loadsgf sgf/life-bulky-five-x.sgf
110 reg_genmove black
#? [E1]

# cross-five: the centre of the cross
loadsgf sgf/life-cross-five-x.sgf
120 reg_genmove white
#? [K18]

# rabbity-six: the joint of six points in the shape of a flower
loadsgf sgf/life-rabbity-six-x.sgf
130 reg_genmove white
#? [E2]

# bent-four-corner: the point next to the corner
loadsgf sgf/life-bent-four-corner-x.sgf
140 reg_genmove white
#? [S19]

# bent-four-corner: the point next to the corner
loadsgf sgf/life-bent-four-corner-o.sgf
150 reg_genmove black
#? [T19|T18]

# two-one-hane: the 2-1 point
loadsgf sgf/life-two-one-hane-x.sgf
160 reg_genmove white
#? [C13|A12]

# two-one-hane: the 2-1 point
loadsgf sgf/life-two-one-hane-o.sgf
170 reg_genmove black
#? [B13]

# corner-four-open: a corner that is open on the first line
loadsgf sgf/life-corner-four-open-x.sgf
180 reg_genmove black
#? [N12]

# cut-inside: a stone inside takes an eye away
loadsgf sgf/life-cut-inside-x.sgf
190 reg_genmove white
#? [A9]

# cut-inside: a stone inside takes an eye away
loadsgf sgf/life-cut-inside-o.sgf
200 reg_genmove black
#? [E13]

# outer-liberty: the way out along the edge
loadsgf sgf/life-outer-liberty-x.sgf
210 reg_genmove white
#? [D9]

# outer-liberty: the way out along the edge
loadsgf sgf/life-outer-liberty-o.sgf
220 reg_genmove black
#? [A6]

# two-step: a false eye and a vital point at once
loadsgf sgf/life-two-step-x.sgf
230 reg_genmove black
#? [A8]

# two-step: a false eye and a vital point at once
loadsgf sgf/life-two-step-o.sgf
240 reg_genmove white
#? [B9]

# snap-eye: a throw-in makes the eye false
loadsgf sgf/life-snap-eye-x.sgf
250 reg_genmove white
#? [E13]

# straight-four: four in a row are alive, but not when their owner fills an end
loadsgf sgf/life-straight-four-o.sgf
260 reg_genmove black
#? [!A6|A3|resign]
