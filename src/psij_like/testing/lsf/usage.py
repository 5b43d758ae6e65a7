"""What LSF's commands say of themselves, as volclava 2.2 does."""

from __future__ import annotations

BSUB = """\
Usage: bsub [-h] [-V] [-x] [-H] [-r] [-N] [-B] [-I | -K | -Ip | -Is]
\t\t[-L login_shell] [-c cpu_limit[/host_spec]] [-F file_limit]
\t\t[-W run_limit[/host_spec]] [-k chkpnt_dir [chkpnt_period] [method=chkpnt_dir]]
\t\t[-P project_name] \n\
\t\t[-q queue_name ...]  [-R res_req]
\t\t[-m "host_name[+[pref_level]] | host_group[+[pref_level]]...]"
\t\t[-n min_processors[,max_processors]] [-J job_name] [-Jd job_desc]
\t\t[-b begin_time] [-t term_time] [-u mail_user]
\t\t[-i in_file | -is in_file] [-o out_file] [-e err_file]
\t\t[-M mem_limit]  [-D data_limit]  [-S stack_limit]
\t\t[[-f "lfile op [rfile]"] ...] [-w depend_cond]
\t\t[-E "pre_exec_command [argument ...]"] [-Zs]
\t\t[-Ep "post_exec_command [argument ...]"
\t\t[-sp job_priority]
\t\t[-pack job_submission_file]
\t\t[-a additional_esub_information]
\t\tcommand [argument ...]"""

BJOBS = """\
Usage: bjobs [-h] [-V] [-w |-l |-UF] [-a] [-d] [-p] [-s] [-r] [-o] [-json] [-A]
             [-m host_name] [-q queue_name] [-u user_name | -u all]
             [-P project_name] [-N host_spec]
             [-J name_spec] [jobId | "jobId[idxList]" ...]"""

BKILL = """\
Usage: bkill [-h] [-V] [-l] [-m host_name] [-q queue_name]
               [-u user_name | -u all] [0] [-r | -s sigval] [-J job_name] \n\
               [jobId | "jobId[index_list]"]..."""
