"""The commands audit, probes and locate."""
