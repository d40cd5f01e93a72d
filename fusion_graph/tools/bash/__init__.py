"""bash: commands of the panel, in a sandbox without a network, and what there is where no sandbox can be had."""
