"""What is measured, not tested: `make bench` prints JSON. Quote ratios of one run, with how busy the machine was."""
