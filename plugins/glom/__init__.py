"""GLOM (Hinton 2021, arXiv 2102.12627): part-whole hierarchies, as a cellular automaton.

The levels of GLOM are ordinary levels, and each piece of the paper is a rule that a recipe may take
or leave: `bottom_up`, `lateral` and `top_down` nets (`nets`); `consensus_step`, attention to the
neighbours that already agree, in the paper's form or, with `lookahead`, in Kilcher's, where
agreement at higher levels steers lower ones (`attention` has the equations); `weighted_mean`, the
paper's four contributions with learned weights; `fade` (both `mean`). `seed` has the nets of the
notebook that this project grew from.

    nca run glom_mnist                      digits, on a CPU in minutes
    nca recipes show glom_mnist_long        its first lines: what it measured
    nca render glom_mnist --samples 6 --steps 10 --every 2
    nca islands glom_mnist --samples 200

Whether parts and wholes appear: `nca help part_whole`.

What pieces are worth on Fashion-MNIST, at a small and equal budget (600 iterations of batch 64,
38,400 images; vote on 5,000 held-out images; mean and standard deviation over three random seeds;
`recipes/ablations/glom_fashion.toml` has the command):

    variant                                            parameters  at step 6        at step 12
    always 6 steps                                     89,533      0.780 ± 0.005    0.675 ± 0.032
    two levels                                         54,756      0.774 ± 0.003    0.753 ± 0.026
    attention of the paper                             89,536      0.762 ± 0.011    0.743 ± 0.014
    without top-down nets                              66,349      0.761 ± 0.006    0.730 ± 0.018
    attention of Kilcher, lookahead 0.7                89,536      0.760 ± 0.006    0.742 ± 0.006
    the recipe: no attention, 5 to 7 steps             89,533      0.757 ± 0.011    0.729 ± 0.007
    noise of 0.02                                      89,533      0.757 ± 0.002    0.733 ± 0.010
    skips: a tenth of the state 2 steps ago            89,533      0.754 ± 0.003    0.732 ± 0.012
    dropout of 0.1 in all nets                         89,533      0.753 ± 0.008    0.744 ± 0.019
    four levels                                        124,310     0.733 ± 0.017    0.711 ± 0.005
    weighted mean of four contributions                54,765      0.718 ± 0.003    0.641 ± 0.022

A fixed number of steps gains two points at that number and loses five at twice as many: that, that
two levels learn sooner than three and three sooner than four, and that the weighted mean with its
fewer parameters stays behind, exceeds the spread. Attention in either form, top-down nets, noise,
dropout and skips change nothing at step 6 beyond it; at step 12 both forms of attention stand 1.3
points above the recipe, one to two standard deviations, which three random seeds cannot settle.

`glom_fashion` begins anew where its input changes. Trained to follow it instead (24 of 64 inputs
exchanged and 24 fresh from the first iteration on, fade 0.3, 24,000 iterations, random seed 0), its
vote on the 10,000 test images is 88.67 % at step 6 and 88.67 % 6 steps after another garment, where
the weights that ship have 90.57 %. Trained on from these for 12,000 iterations with the same
exchanges, 89.97 % and 89.76 %; for 14,000 more with 16 of each, as `glom_fashion_swaps` is, 90.72 %
and 90.67 %.
"""
