"""Running a benchmark: the plan, its batches, answers from one prefill, and all of it on disk."""
