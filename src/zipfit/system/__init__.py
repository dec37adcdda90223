"""What zipfit runs on: the native core, cores, versions of libraries, and how far a job is."""
