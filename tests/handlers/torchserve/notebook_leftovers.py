# serves
# coding: utf-8

# In[1]:

try:
    get_ipython().run_line_magic("matplotlib", "inline")
except NameError:
    pass

# In[2]:

labels = ["a", "b"]
labels

# In[3]:


def handle(data, context):
    return None if data is None else [labels[0]] * len(data)


# In[ ]:
