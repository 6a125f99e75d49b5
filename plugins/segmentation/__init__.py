"""Segmentation: masks of pictures, told by cells that talk to their neighbours."""
