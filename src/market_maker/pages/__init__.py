"""Self-contained HTML pages: one look, plain markup, charts as inline SVG."""
