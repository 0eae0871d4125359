//! Accidents on a real containerd: the embedding process ends and comes back, the daemon too, calls are cut off.
