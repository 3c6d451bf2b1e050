"""What searches: genome, search, evaluation, workers, tracking, export, report, command line."""
