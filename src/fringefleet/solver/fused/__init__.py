"""The elimination as Triton kernels for a GPU, in place of thousands of torch operations."""
