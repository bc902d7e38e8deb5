"""Training on several devices: each holds all weights and computes a part of every batch.

JAX and TensorFlow split a batch among the devices of a process; torch has a process for each
device, and JAX one for each machine. The first process runs the recipe: it tracks, evaluates and
saves. The others follow it, epoch by epoch.
"""
