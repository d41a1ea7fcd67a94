"""Files and folders: listed, versioned, read by several threads."""
