"""What the demo model is and how it is trained. One seed decides every random number."""

SEED = 1247
THREADS = 2

WHISPER = {"width": 128, "heads": 8, "layers": 4}
"""Of Whisper's architecture, as `tiny` has four layers: 50 tokens per video frame."""

VAE = {
    "block_out_channels": [24, 48, 96, 96],
    "norm_num_groups": 8,
    "layers_per_block": 1,
    "latent_channels": 4,
}

UNET = {
    "act_fn": "silu",
    "add_audio_layer": True,
    "attention_head_dim": 8,
    "block_out_channels": [64, 128, 96, 96],
    "center_input_sample": False,
    "cross_attention_dim": WHISPER["width"],
    "down_block_types": [
        "DownBlock3D",
        "CrossAttnDownBlock3D",
        "CrossAttnDownBlock3D",
        "DownBlock3D",
    ],
    "mid_block_type": "UNetMidBlock3DCrossAttn",
    "up_block_types": ["UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 13,
    "layers_per_block": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-5,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 16,
    "resnet_time_scale_shift": "default",
    "use_motion_module": True,
    "motion_module_resolutions": [2, 4],
    "motion_module_mid_block": False,
    "motion_module_decoder_only": False,
    "motion_module_type": "Vanilla",
    "motion_module_kwargs": {
        "num_attention_heads": 8,
        "num_transformer_block": 1,
        "attention_block_types": ["Temporal_Self", "Temporal_Self"],
        "temporal_position_encoding": True,
        "temporal_position_encoding_max_len": 24,
        "temporal_attention_dim_div": 1,
        "zero_initialize": True,
    },
}

RESOLUTION = 128
FRAMES = 16
LATENT_SCALE = 0.18215
"""The official script's: latents times this have a deviation of 1."""

STAGES = {
    "audio": {"stream": 0, "steps": 1600, "batch": 8, "rate": 1.5e-3},
    "vae": {"stream": 3, "steps": 2200, "batch": 8, "rate": 1.2e-3},
    "vae-colour": {"stream": 4, "steps": 1200, "batch": 8, "rate": 1e-3},
    "reader": {"stream": 1, "steps": 800, "batch": 256, "rate": 1e-3},
    "vae-decoder": {"stream": 5, "steps": 800, "batch": 8, "rate": 8e-4},
    "unet": {"stream": 2, "steps": 1600, "batch": 8, "rate": 6e-4},
    "unet-colour": {"stream": 6, "steps": 320, "batch": 8, "rate": 4e-4},
}
