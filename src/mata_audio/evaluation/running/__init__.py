"""Running a benchmark: decided, prepared, answered from one prefill, and kept on disk."""
