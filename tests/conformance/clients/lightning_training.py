"""A small network trained by PyTorch Lightning with MLflow's autologging, in an environment that has them.

    python lightning_training.py URL EXPERIMENT_ID

trains, loads the logged model back, and prints one JSON line with what the test has to find on the server.
"""

import json
import sys
import warnings

import lightning
import mlflow
import numpy as np
import torch

EPOCHS = 4


class Line(lightning.LightningModule):
    """One linear layer, fitted to a plane."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs):
        """The plane's height at each point."""
        return self.layer(inputs)

    def training_step(self, batch, _):
        """The squared error, which is logged at the end of each epoch."""
        inputs, targets = batch
        loss = torch.nn.functional.mse_loss(self(inputs), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        """Plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train():
    """Train on a plane; the trained module and its loss after each epoch."""
    lightning.seed_everything(3, verbose=False)
    inputs = torch.randn(64, 2)
    targets = inputs @ torch.tensor([[2.0], [-1.0]]) + 0.5
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=16)
    losses = []

    class Remember(lightning.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            losses.append(float(trainer.callback_metrics["train_loss"]))

    module = Line()
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Remember()],
    )
    trainer.fit(module, batches)
    return module, losses


def main(url, experiment_id):
    """Train with autologging, and check that the model predicts the same after its way through the server."""
    warnings.simplefilter("ignore")
    mlflow.set_tracking_uri(url)
    # Finding out the model's requirements takes MLflow many seconds and no server.
    mlflow.models.infer_pip_requirements = lambda *_, fallback, **__: fallback
    mlflow.pytorch.autolog(log_models=True)
    with mlflow.start_run(experiment_id=experiment_id) as active:
        module, losses = train()
    points = np.array([[0.0, 0.0], [1.0, 2.0], [-3.0, 0.25]], dtype=np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(points)).numpy()
    (output,) = mlflow.get_run(active.info.run_id).outputs.model_outputs
    for uri in (f"models:/{output.model_id}", f"runs:/{active.info.run_id}/model"):
        loaded = mlflow.pytorch.load_model(uri)
        with torch.no_grad():
            np.testing.assert_array_equal(loaded(torch.from_numpy(points)).numpy(), expected)
    print(json.dumps({"run_id": active.info.run_id, "model_id": output.model_id, "losses": losses}))


if __name__ == "__main__":
    main(*sys.argv[1:])
