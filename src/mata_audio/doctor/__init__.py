"""``mata doctor``: whether MATA does on one model and machine what it says, by measurement."""
