"""All operations of the API: what `Client` and `AsyncClient` have in common."""

from foretell.client import (
    accounts,
    connections,
    datasets,
    jobs,
    models,
    recipes,
    schedules,
)


class Api:
    """See the functions of the modules named; each is a method of both clients."""

    me = accounts.me
    list_users = accounts.list_users
    get_user = accounts.get_user
    create_user = accounts.create_user
    change_user = accounts.change_user
    delete_user = accounts.delete_user
    list_keys = accounts.list_keys
    create_key = accounts.create_key
    delete_key = accounts.delete_key
    server_version = accounts.server_version
    openapi = accounts.openapi

    list_datasets = datasets.list_datasets
    get_dataset = datasets.get_dataset
    list_dataset_versions = datasets.list_dataset_versions
    change_dataset = datasets.change_dataset
    delete_dataset = datasets.delete_dataset
    set_current_version = datasets.set_current_version
    start_import = datasets.start_import
    start_version = datasets.start_version
    try_import = datasets.try_import
    add_dataset = datasets.add_dataset
    add_version = datasets.add_version
    read_rows = datasets.read_rows
    count_rows = datasets.count_rows
    aggregate_rows = datasets.aggregate_rows
    read_profile = datasets.read_profile
    diff_versions = datasets.diff_versions
    query = datasets.query
    list_rejects = datasets.list_rejects
    download_rejects = datasets.download_rejects
    download_dataset = datasets.download_dataset
    read_arrow = datasets.read_arrow

    list_models = models.list_models
    get_model = models.get_model
    put_model = models.put_model
    delete_model = models.delete_model
    list_model_versions = models.list_model_versions
    get_model_version = models.get_model_version
    model_schema = models.model_schema
    download_artifact = models.download_artifact
    start_upload = models.start_upload
    add_model = models.add_model
    set_alias = models.set_alias
    delete_alias = models.delete_alias
    list_aliases = models.list_aliases
    set_traffic = models.set_traffic
    get_monitoring = models.get_monitoring
    predict = models.predict
    predict_frame = models.predict_frame
    start_batch = models.start_batch
    score_dataset = models.score_dataset

    submit_job = jobs.submit_job
    list_jobs = jobs.list_jobs
    get_job = jobs.get_job
    job_log = jobs.job_log
    cancel_job = jobs.cancel_job
    retry_job = jobs.retry_job
    wait_for_job = jobs.wait_for_job

    put_schedule = schedules.put_schedule
    get_schedule = schedules.get_schedule
    list_schedules = schedules.list_schedules
    list_ticks = schedules.list_ticks
    run_schedule = schedules.run_schedule
    pause_schedule = schedules.pause_schedule
    delete_schedule = schedules.delete_schedule

    put_recipe = recipes.put_recipe
    get_recipe = recipes.get_recipe
    list_recipes = recipes.list_recipes
    delete_recipe = recipes.delete_recipe
    start_run = recipes.start_run
    run_recipe = recipes.run_recipe
    preview_run = recipes.preview_run
    put_feature_set = recipes.put_feature_set
    get_feature_set = recipes.get_feature_set
    list_feature_sets = recipes.list_feature_sets
    delete_feature_set = recipes.delete_feature_set
    compute_features = recipes.compute_features
    put_connection = connections.put_connection
    get_connection = connections.get_connection
    list_connections = connections.list_connections
    share_connection = connections.share_connection
    delete_connection = connections.delete_connection
    test_connection = connections.test_connection
    list_tables = connections.list_tables
    start_source_import = connections.start_source_import
    start_source_version = connections.start_source_version
    start_export = connections.start_export
    import_source = connections.import_source
    export_dataset = connections.export_dataset
