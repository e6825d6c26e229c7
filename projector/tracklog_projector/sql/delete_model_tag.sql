-- A logged model's tag that is gone. $1 text: model id. $2 text: key. No rows.
delete from model_tag where partition = 0 and model_id = $1 and key = $2;
