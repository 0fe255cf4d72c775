"""Search for hyper-parameters of the signal layer, inside one training window and nowhere else."""
