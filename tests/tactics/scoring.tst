# Made by tactics/build.py from diagrams/scoring.txt.

# middle-taken: three points with the middle taken are dead
loadsgf sgf/scoring-middle-taken.sgf
10 final_score
#? [W\+16.5]

# five-filled: a room of five with four stones in it is dead
loadsgf sgf/scoring-five-filled.sgf
20 final_score
#? [B\+5.5]

# two-eyes: a small living corner
loadsgf sgf/scoring-two-eyes.sgf
30 final_score
#? [B\+3.5]

# invaders: stones without eyes inside a wall
loadsgf sgf/scoring-invaders.sgf
40 final_score
#? [W\+124.5]

# cut-off: a tail that has been cut off
loadsgf sgf/scoring-cut-off.sgf
50 final_score
#? [B\+5.5]

# one-eye: a group with a single eye
loadsgf sgf/scoring-one-eye.sgf
60 final_score
#? [B\+11.5]

# seki-two-liberties: a seki: nobody has the liberties in common
loadsgf sgf/scoring-seki-two-liberties.sgf
70 final_score
#? [B\+3.5]

# seki-eye-each: a seki: each has an eye, and the liberty in common is nobody's
loadsgf sgf/scoring-seki-eye-each.sgf
80 final_score
#? [W\+10.5]

# seki-three-stones: three stones in a room of five live in seki
loadsgf sgf/scoring-seki-three-stones.sgf
90 final_score
#? [W\+8.5]

# both-dead: dead stones of either side
loadsgf sgf/scoring-both-dead.sgf
100 final_score
#? [B\+11.5]
