#!/bin/sh
# add arguments of data, tokenizer and optimizer: sh FILE --mock-data --lr 3e-4 …
torchrun --nproc-per-node 8 --nnodes 8 pretrain_gpt.py \
    --position-embedding-type rope \
    --normalization RMSNorm \
    --swiglu \
    --disable-bias-linear \
    --attention-dropout 0.0 \
    --hidden-dropout 0.0 \
    --num-layers 80 \
    --hidden-size 8192 \
    --ffn-hidden-size 28672 \
    --num-attention-heads 64 \
    --max-position-embeddings 8192 \
    --vocab-size 128256 \
    --untie-embeddings-and-output-weights \
    --group-query-attention \
    --num-query-groups 8 \
    --rotary-base 500000 \
    --make-vocab-size-divisible-by 1 \
    --seq-length 8192 \
    --global-batch-size 512 \
    --tensor-model-parallel-size 8 \
    --pipeline-model-parallel-size 4 \
    --context-parallel-size 1 \
    --micro-batch-size 1 \
    --sequence-parallel \
    --optimizer adam \
    --use-distributed-optimizer \
    --bf16 \
    --accumulate-allreduce-grads-in-fp32 \
    --overlap-grad-reduce \
    --overlap-param-gather \
    --transformer-impl transformer_engine \
    --attention-backend flash \
    "$@"
