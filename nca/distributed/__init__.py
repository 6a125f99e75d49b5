"""One run in several processes: by samples of the batch, or by cells of the grid."""
