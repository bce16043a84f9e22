"""The main job on real data: `foretell demo`, the table and the training script."""
