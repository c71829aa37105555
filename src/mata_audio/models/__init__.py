"""From a model's name, clips and questions to answers: loading, prompting, one prefill for all."""
