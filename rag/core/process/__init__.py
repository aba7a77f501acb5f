"""What concerns this process: files, locks, threads, progress."""
