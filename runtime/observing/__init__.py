"""What is kept of the inferences that went through here: for drift, for comparison, for audits."""
