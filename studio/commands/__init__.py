"""The commands of ``studio``, one file each; a file is imported when its command is called."""
