"""Makes the package's classes known to transformers."""

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification
from transformers.pipelines import PIPELINE_REGISTRY

from modeling_fer.checkpoints import DEFAULT_CHECKPOINT, find_checkpoint
from modeling_fer.configuration_fer import CUSTOM_PIPELINES, FerConfig
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification, FerModel
from modeling_fer.pipeline_fer import FacialExpressionPipeline

AutoConfig.register(FerConfig.model_type, FerConfig)
AutoModel.register(FerConfig, FerModel)
AutoModelForImageClassification.register(FerConfig, FerForImageClassification)
# It needs no torchvision, and takes its place where torchvision is there.
AutoImageProcessor.register(FerConfig, image_processor_classes={"pil": FerImageProcessor, "torchvision": FerImageProcessor})
for _task in CUSTOM_PIPELINES:
    PIPELINE_REGISTRY.register_pipeline(
        _task,
        pipeline_class=FacialExpressionPipeline,
        pt_model=AutoModelForImageClassification,
        default={"model": (str(find_checkpoint(DEFAULT_CHECKPOINT)), "main")},
        type="image",
    )
