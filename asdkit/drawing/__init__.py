"""Pictures, sound and templates of the pages: arrays in, SVG, PNG and text out."""
