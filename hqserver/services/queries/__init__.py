"""Questions: attributes, lists by filters, output, pictures for the page, and why a job does not run."""
