"""Running work in processes of its own: one per training run or model host, ended as a whole."""
