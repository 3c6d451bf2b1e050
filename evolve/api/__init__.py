"""What does Python call? The commands as functions, and a search whose rules somebody else scores."""
