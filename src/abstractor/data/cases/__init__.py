"""The codebook, and checked cases as the stages read them."""
