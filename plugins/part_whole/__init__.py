"""Part-whole data with truth: ellipses that are parts of wholes (PartWhole-E)."""
