"""An atlas of all images of two pixels: the state of a small network over the plane of its inputs.

python -m experiments.atlas --act cantor2 -o atlas.png
python -m experiments.atlas --act cantor2 --parameter "A0[0,1]" -o derivative.png
python -m experiments.atlas --act cantor2 --animate "A0[0,1]=-2:2" -o atlas.gif
python -m experiments.atlas --preset relu -o relu.png
"""
